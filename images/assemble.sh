#!/bin/sh
# Puts the files of an image together, in a stage that has a shell, for a last stage that has none. It runs on the
# architecture of the machine; what it copies is for the image's, so that nothing is emulated.
#   /base      the Debian image of the image's architecture
#   /context   the folder that `npm run image` prepared
set -eu
umask 022

case "$TARGETARCH" in
  amd64) triplet=x86_64-linux-gnu loader=/lib64/ld-linux-x86-64.so.2 ;;
  arm64) triplet=aarch64-linux-gnu loader=/lib/ld-linux-aarch64.so.1 ;;
  *)
    echo "TARGETARCH: expected amd64 or arm64, got '$TARGETARCH'" >&2
    exit 1
    ;;
esac
system=/image/system
program=/image/program

copy() {
  mkdir -p "$system${1%/*}"
  # Links are followed: a library stands under the one name that it is asked for by.
  cp -L "/base$1" "$system$1"
}

# What `node` is linked against, and nothing that only a shell or a package manager would need.
copy "$loader"
for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 libgcc_s.so.1; do
  copy "/lib/$triplet/$library"
done
copy "/usr/lib/$triplet/libstdc++.so.6"

# Scanners look here for the distribution and its packages; licences travel with what they are about.
copy /usr/lib/os-release
copy /etc/debian_version
mkdir -p "$system/etc" "$system/var/lib/dpkg/status.d"
cp "$system/usr/lib/os-release" "$system/etc/os-release"
for package in base-files libc6 libgcc-s1 libstdc++6; do
  status="$system/var/lib/dpkg/status.d/$package"
  awk -v RS= -v ORS='\n\n' -v package="$package" '$1 == "Package:" && $2 == package' /base/var/lib/dpkg/status >"$status"
  if ! test -s "$status"; then
    echo "BASE: expected a Debian image with the package $package, got one without it" >&2
    exit 1
  fi
  # Debian keeps one file for all that is built from GCC, and slim images do without the links to it.
  for copyright in "/base/usr/share/doc/$package/copyright" /base/usr/share/doc/gcc-*-base/copyright; do
    if test -e "$copyright"; then
      mkdir -p "$system/usr/share/doc/$package"
      cp -L "$copyright" "$system/usr/share/doc/$package/copyright"
      break
    fi
  done
done
mkdir -p "$system/usr/share/doc/node"
cp /context/node/LICENSE "$system/usr/share/doc/node/copyright"

mkdir -p "$system/tmp" "$system/home/nonroot" "$system/usr/local/bin"
printf 'root:x:0:0::/:/nonexistent\nnonroot:x:65532:65532::/home/nonroot:/nonexistent\n' >"$system/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$system/etc/group"
# Without it names in /etc/hosts, localhost among them, are asked of the name server first.
printf 'hosts: files dns\n' >"$system/etc/nsswitch.conf"

mkdir -p "$program"
cp -R /context/program/. "$program/"

# What the machine that prepared the context thinks of modes and times is in no image.
find /image -type d -exec chmod 0755 {} +
find /image -type f -exec chmod 0644 {} +
chmod 0755 "$system$loader"
find /image -exec touch -h -d @0 {} +
