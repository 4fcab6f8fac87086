// Command certificates writes one certificate authority and what it signed into a folder. It reads the list of
// certificates as JSON from standard input. Only the standard library is used, so that it builds in seconds.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

type request struct {
	File          string
	CommonName    string
	Organizations []string
	Addresses     []string
	Names         []string
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func write(file, kind string, der []byte) {
	check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func writeKey(file string, key crypto.Signer) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	write(file+".key", "PRIVATE KEY", private)
}

func template(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	check(err)
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

func sign(file string, leaf, parent *x509.Certificate, key, signer crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), signer)
	check(err)
	write(file+".crt", "CERTIFICATE", der)
	writeKey(file, key)
	certificate, err := x509.ParseCertificate(der)
	check(err)
	return certificate
}

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return key
}

func main() {
	folder := os.Args[1]
	var requests []request
	check(json.NewDecoder(os.Stdin).Decode(&requests))

	authority := template(pkix.Name{CommonName: "regent-test-ca"})
	authority.IsCA = true
	authority.KeyUsage |= x509.KeyUsageCertSign
	authorityKey := newKey()
	authority = sign(filepath.Join(folder, "ca"), authority, authority, authorityKey, authorityKey)

	for _, r := range requests {
		leaf := template(pkix.Name{CommonName: r.CommonName, Organization: r.Organizations})
		leaf.DNSNames = r.Names
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		for _, address := range r.Addresses {
			leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(address))
		}
		sign(filepath.Join(folder, r.File), leaf, authority, newKey(), authorityKey)
	}

	// RSA as on real clusters: who verifies tokens through the JWKS must meet the algorithm that production uses.
	tokens, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	writeKey(filepath.Join(folder, "service-account"), tokens)
	public, err := x509.MarshalPKIXPublicKey(tokens.Public())
	check(err)
	write(filepath.Join(folder, "service-account.pub"), "PUBLIC KEY", public)
}
