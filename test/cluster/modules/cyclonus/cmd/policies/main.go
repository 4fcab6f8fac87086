// Command policies says which traffic a set of NetworkPolicies lets through, in the judgement of cyclonus. It reads
// JSON from standard input and writes one verdict per query. The policies come as objects and not as files: of a file
// with several documents cyclonus reads only the first.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// peer is a pod, or an address outside of the cluster if it has no namespace.
type peer struct {
	Namespace       string
	NamespaceLabels map[string]string
	PodLabels       map[string]string
	IP              string
}

type query struct {
	From     peer
	To       peer
	Port     int
	PortName string
	Protocol v1.Protocol
}

type verdict struct {
	Ingress bool `json:"ingress"`
	Egress  bool `json:"egress"`
	Allowed bool `json:"allowed"`
}

func (p peer) traffic() *matcher.TrafficPeer {
	if p.Namespace == "" {
		return &matcher.TrafficPeer{IP: p.IP}
	}
	return &matcher.TrafficPeer{IP: p.IP, Internal: &matcher.InternalPeer{
		Namespace: p.Namespace, NamespaceLabels: p.NamespaceLabels, PodLabels: p.PodLabels,
	}}
}

func main() {
	var input struct {
		Policies []*networkingv1.NetworkPolicy
		Queries  []query
	}
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&input); err != nil {
		log.Fatal(err)
	}
	policy := matcher.BuildNetworkPolicies(true, input.Policies)
	verdicts := []verdict{}
	for _, q := range input.Queries {
		result := policy.IsTrafficAllowed(&matcher.Traffic{
			Source:           q.From.traffic(),
			Destination:      q.To.traffic(),
			ResolvedPort:     q.Port,
			ResolvedPortName: q.PortName,
			Protocol:         q.Protocol,
		})
		verdicts = append(verdicts, verdict{
			Ingress: result.Ingress.IsAllowed(), Egress: result.Egress.IsAllowed(), Allowed: result.IsAllowed(),
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		log.Fatal(err)
	}
}
