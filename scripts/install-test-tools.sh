#!/bin/sh
# Installs the Debian packages that the end-to-end tests use, where they are missing; with the argument `nfs`, those of the NFS lab
# instead. Never starts a service.
# Exit status: 0 everything is there, 1 something is not and could not be installed; the tests that need it skip aloud.
set -u

LIMIT_SECONDS=600
POLICY=/usr/sbin/policy-rc.d

# command:package
TOOLS='bindfs:bindfs fusermount3:fuse3 strace:strace ps:procps unshare:util-linux nsenter:util-linux setpriv:util-linux prlimit:util-linux
  ip:iproute2 curl:curl openssl:openssl nginx:nginx haproxy:haproxy monit:monit systemctl:systemd initdb:postgresql
  arping:iputils-arping ndptool:libndp-tools'
LAB_TOOLS='linux.uml:user-mode-linux rpc.nfsd:nfs-kernel-server mount.nfs:nfs-common rpcbind:rpcbind nft:nftables ip:iproute2
  tc:iproute2 modprobe:kmod mkfs.ext4:e2fsprogs bindfs:bindfs ps:procps unshare:util-linux mount:mount bash:bash'

case "${1:-}" in
  '') ;;
  nfs) TOOLS=$LAB_TOOLS ;;
  *) echo "install-test-tools: $1: there is nothing but nfs" >&2; exit 1 ;;
esac

say() { printf 'install-test-tools: %s\n' "$*"; }

# Debian keeps the programs of a database server out of everybody's PATH.
is_there() {
  command -v "$1" || ls -d /usr/lib/postgresql/*/bin/"$1"
}

missing_packages() {
  for pair in $TOOLS; do
    is_there "${pair%%:*}" >/dev/null 2>&1 || printf '%s\n' "${pair#*:}"
  done | sort -u | tr '\n' ' '
}

# Only root's PATH has the sbin directories, and ip lives in one of them.
PATH=$PATH:/usr/sbin:/sbin
missing=$(missing_packages)
note_fuse() {
  [ "${1:-}" = nfs ] || [ -e /dev/fuse ] || say 'there is no /dev/fuse: tests of a hung store will skip'
}
if [ -z "$missing" ]; then
  note_fuse "$@"
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  say "not root, so these cannot be installed: $missing(as root: apt-get install $missing)"
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  say "no apt-get here: install these packages, or what this system calls them: $missing"
  exit 1
fi

# Packages ask this script whether they may start their services: 101 means no.
if [ ! -e "$POLICY" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$POLICY" && chmod 755 "$POLICY"
  trap 'rm -f "$POLICY"' EXIT
  trap 'exit 1' HUP INT TERM
fi

apt() {
  DEBIAN_FRONTEND=noninteractive timeout --kill-after=30 "$LIMIT_SECONDS" apt-get -qq -y \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
    -o Dpkg::Use-Pty=0 "$@" </dev/null
}

say "installing $missing"
# The lists may be absent or old: they are fetched only if the packages cannot be had without.
# shellcheck disable=SC2086 # a list of words
apt install --no-install-recommends $missing >/dev/null 2>&1 || {
  apt update >/dev/null || say 'apt-get update failed, trying with the lists as they are'
  apt install --no-install-recommends $missing >/dev/null
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
  say "these could not be installed: $missing(is the Debian mirror reachable?)"
  exit 1
fi
say 'all there'
note_fuse "$@"
