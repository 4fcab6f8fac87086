// Command image packs files into an OCI archive with one image, without a base, a registry or a daemon. The same
// files give the same digest, which it prints.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sort"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

type specification struct {
	Reference   string
	Files       map[string]string // path in the image: path here, a file or a folder
	Environment []string
	Entrypoint  []string
	Command     []string
	User        string
	WorkingDir  string
	Directories []string // empty and writable by everybody, such as /tmp
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// collect lists what lies in the image: path to source, folders expanded.
func collect(files map[string]string) map[string]string {
	all := map[string]string{}
	for target, source := range files {
		check(filepath.WalkDir(source, func(found string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			relative, err := filepath.Rel(source, found)
			all[path.Clean(path.Join(target, filepath.ToSlash(relative)))] = found
			return err
		}))
	}
	return all
}

func layer(s specification) v1.Layer {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	made := map[string]bool{"/": true, ".": true}
	var folder func(name string, mode int64)
	folder = func(name string, mode int64) {
		if made[name] {
			return
		}
		folder(path.Dir(name), 0o755)
		made[name] = true
		check(archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name[1:] + "/", Mode: mode}))
	}
	for _, name := range s.Directories {
		folder(path.Clean(name), 0o1777)
	}
	files := collect(s.Files)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		folder(path.Dir(name), 0o755)
		information, err := os.Lstat(files[name])
		check(err)
		// Neither times, owners nor the umask of whoever built the file: they would change the digest.
		header := &tar.Header{Name: name[1:], Mode: 0o644}
		if information.Mode()&fs.ModeSymlink != 0 {
			header.Typeflag = tar.TypeSymlink
			header.Linkname, err = os.Readlink(files[name])
			check(err)
			check(archive.WriteHeader(header))
			continue
		}
		if information.Mode()&0o100 != 0 {
			header.Mode = 0o755
		}
		content, err := os.ReadFile(files[name])
		check(err)
		header.Size = int64(len(content))
		check(archive.WriteHeader(header))
		_, err = archive.Write(content)
		check(err)
	}
	check(archive.Close())
	return static.NewLayer(buffer.Bytes(), types.OCIUncompressedLayer)
}

func pack(folder, file string) {
	output, err := os.Create(file)
	check(err)
	archive := tar.NewWriter(output)
	check(filepath.WalkDir(folder, func(found string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		information, err := entry.Info()
		check(err)
		relative, err := filepath.Rel(folder, found)
		check(err)
		check(archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(relative), Mode: 0o644, Size: information.Size()}))
		content, err := os.Open(found)
		check(err)
		defer content.Close()
		_, err = io.Copy(archive, content)
		return err
	}))
	check(archive.Close())
	check(output.Close())
}

func main() {
	var s specification
	check(json.NewDecoder(os.Stdin).Decode(&s))
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, layer(s))
	check(err)
	configuration, err := image.ConfigFile()
	check(err)
	configuration = configuration.DeepCopy()
	configuration.OS = "linux"
	configuration.Architecture = runtime.GOARCH
	configuration.Config = v1.Config{
		Env: s.Environment, Entrypoint: s.Entrypoint, Cmd: s.Command, User: s.User, WorkingDir: s.WorkingDir,
	}
	image, err = mutate.ConfigFile(image, configuration)
	check(err)

	folder, err := os.MkdirTemp(filepath.Dir(os.Args[1]), ".image-")
	check(err)
	defer os.RemoveAll(folder)
	_, err = layout.Write(folder, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: image,
		Descriptor: v1.Descriptor{
			Annotations: map[string]string{"io.containerd.image.name": s.Reference},
			Platform:    &v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		},
	}))
	check(err)
	pack(folder, os.Args[1])
	digest, err := image.Digest()
	check(err)
	fmt.Println(digest)
}
