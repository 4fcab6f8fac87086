// An elector on client-go, as its documentation shows it: what the tests' faults and the bench compare ours with.
//
// Prints a JSON line per event: "standby" once it competes, "leading" once it leads, "lost" once it does not any more.
// Its epoch is leaseTransitions: the nearest to one that client-go has, although it starts again when the Lease is
// deleted.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

type line struct {
	Event    string `json:"event"`
	Epoch    int    `json:"epoch"`
	Identity string `json:"identity"`
	// Microseconds of the wall clock.
	T int64 `json:"t"`
}

// remembering knows what this process wrote last: the callbacks are not told.
type remembering struct {
	*resourcelock.LeaseLock
	transitions int
}

func (r *remembering) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	r.transitions = record.LeaderTransitions
	return r.LeaseLock.Create(ctx, record)
}

func (r *remembering) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	r.transitions = record.LeaderTransitions
	return r.LeaseLock.Update(ctx, record)
}

func main() {
	server := flag.String("server", "", "URL of the API server")
	authority := flag.String("certificate-authority", "", "file of its certificate authority")
	token := flag.String("token-file", "", "file of the ServiceAccount token")
	namespace := flag.String("namespace", "", "namespace of the Lease")
	name := flag.String("lease", "", "name of the Lease")
	identity := flag.String("identity", "", "holderIdentity of this process")
	duration := flag.Duration("lease-duration", 15*time.Second, "")
	deadline := flag.Duration("renew-deadline", 10*time.Second, "")
	retry := flag.Duration("retry-period", 2*time.Second, "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	client := kubernetes.NewForConfigOrDie(&rest.Config{
		Host: *server, BearerTokenFile: *token, TLSClientConfig: rest.TLSClientConfig{CAFile: *authority},
		// As leader-elected components do: the default of 5 requests per second would be another contestant.
		QPS: 50, Burst: 100, UserAgent: "client-go-elector",
	})
	lock := &remembering{LeaseLock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *name},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
	}}
	say := func(event string) {
		_ = json.NewEncoder(os.Stdout).Encode(line{event, lock.transitions, *identity, time.Now().UnixMicro()})
	}
	say("standby")
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, ReleaseOnCancel: true, Name: *name,
		LeaseDuration: *duration, RenewDeadline: *deadline, RetryPeriod: *retry,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { say("leading") },
			OnStoppedLeading: func() { say("lost") },
		},
	})
}
