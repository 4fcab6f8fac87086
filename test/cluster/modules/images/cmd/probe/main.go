// Command probe is what the test cluster's own tests run in pods: a server and a client without a shell.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	command, arguments := os.Args[1], os.Args[2:]
	switch command {
	case "serve":
		name, err := os.Hostname()
		check(err)
		check(http.ListenAndServe(arguments[0], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, name)
		})))
	case "get":
		response, err := (&http.Client{Timeout: 5 * time.Second}).Get(arguments[0])
		check(err)
		_, err = io.Copy(os.Stdout, response.Body)
		check(err)
	case "lookup":
		addresses, err := net.LookupHost(arguments[0])
		check(err)
		fmt.Println(strings.Join(addresses, "\n"))
	case "write":
		check(os.MkdirAll(filepath.Dir(arguments[0]), 0o700))
		check(os.WriteFile(arguments[0], []byte(arguments[1]), 0o600))
	case "read":
		content, err := os.ReadFile(arguments[0])
		check(err)
		fmt.Print(string(content))
	default:
		log.Fatalf("unknown command %q", command)
	}
}
