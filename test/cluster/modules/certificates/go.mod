module regent.dev/test/cluster/certificates

go 1.26.0
