#!/bin/sh
# Process 1 of every machine of the NFS lab: makes it writable where it must be, starts the server's daemons, then the runner.
# Its root is the host's, read-only. The variables LAB_... come from the few lines that the keeper writes in front of it.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/tmp/home
LANG=C
export PATH HOME LANG

say() { echo "nfs-lab: $LAB_NODE $*"; }
# When process 1 ends the kernel panics, and the keeper sees a machine that went off.
fail() {
  say "failed: $*"
  exit 1
}
module() { /run/modprobe "$1" || fail "the module $1 could not be loaded"; }

# ---- file systems
mount -t proc proc /proc || fail 'no /proc'
mount -t sysfs sysfs /sys || fail 'no /sys'
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev || fail 'no /dev'
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
for directory in /dev/shm /tmp /run /var/tmp /mnt /var/lib/nfs; do
  mount -t tmpfs -o mode=1777 tmpfs "$directory" || fail "nothing could be mounted on $directory"
done
# What of the host these hide, say a checkout below /tmp, is shown again at its place.
echo "$LAB_SHARES" | while IFS= read -r directory; do
  [ -z "$directory" ] || [ -d "$directory" ] && continue
  mkdir -p "$directory"
  mount -t hostfs -o "$directory,ro" hostfs "$directory" || say "$directory of the host cannot be shown"
done
mkdir -p /run/lock /run/rpcbind /run/sendsigs.omit.d /run/rpc_pipefs "$HOME" /mnt/ha /mnt/disk

# ---- who this is: an NFSv4 client is told from others by its host name, a machine by its machine-id
hostname "$LAB_NODE"
echo "$LAB_MACHINE_ID" >/run/machine-id
if [ ! -e /etc/machine-id ]; then
  cp -a /etc /run/etc && touch /run/etc/machine-id && mount --bind /run/etc /etc || fail 'no /etc of its own'
fi
mount --bind /run/machine-id /etc/machine-id || fail 'no machine-id of its own'

# ---- modules: those of the package, whatever the host's own kernel is; the kernel itself must find this modprobe too
mkdir -p /run/modules/lib/modules
mount -t hostfs -o /usr/lib/uml/modules,ro hostfs /run/modules/lib/modules || fail 'no modules'
printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe

# ---- network: vec0 for storage, vec1 for management
ip link set lo up
ip address add "$LAB_STORAGE_IP/24" dev vec0 && ip link set vec0 up || fail 'no storage network'
ip address add "$LAB_MANAGEMENT_IP/24" dev vec1 && ip link set vec1 up || fail 'no management network'
module sch_netem

# ---- the machine's own disk, which survives a power cut
mount -t ext4 /dev/ubda /mnt/disk || fail 'its disk cannot be mounted'

# What NFSv3 has beside it: port mapper and the monitor of who holds locks.
start_v3_side() {
  mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak
  touch /var/lib/nfs/state
  chown -R statd /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/state 2>/dev/null
  rpcbind -w
  rpc.statd --no-notify
}

start_server() {
  mkdir -p /mnt/export /mnt/disk/nfs
  mount -t ext4 /dev/ubdb /mnt/export || fail 'the disk of the export cannot be mounted'
  mkdir -p /mnt/export/ha
  # Whose files they are says nothing about access here: an agent may run as anybody.
  chmod 1777 /mnt/export/ha
  # What the server knows of its clients survives a power cut, as it does elsewhere.
  mount --bind /mnt/disk/nfs /var/lib/nfs
  mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/nfsdcld
  touch /var/lib/nfs/etab /var/lib/nfs/rmtab
  # A reply that was lost stays lost: else the connection of a stopped server goes on sending it for minutes.
  echo 1 >/proc/sys/net/ipv4/tcp_orphan_retries
  module nfsd
  mount -t nfsd nfsd /proc/fs/nfsd || fail 'no /proc/fs/nfsd'
  mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
  start_v3_side
  nfsdcld -p /run/rpc_pipefs || say 'nfsdcld could not be started'
  : >/var/lib/nfs/etab
  exportfs -o "$LAB_EXPORT" "$LAB_CLIENTS:/mnt/export/ha" || fail "exportfs refuses $LAB_EXPORT"
  rpc.mountd || fail 'no mountd'
  if [ -n "$LAB_GRACE_S" ]; then
    echo "$LAB_GRACE_S" >/proc/fs/nfsd/nfsv4gracetime
    echo "$LAB_GRACE_S" >/proc/fs/nfsd/nfsv4leasetime || fail "the server refuses a lease of $LAB_GRACE_S s"
  fi
  sm-notify
  rpc.nfsd 8 || fail 'no nfsd'
}

if [ "$LAB_ROLE" = server ]; then
  start_server
else
  module fuse
  module nfs
  if [ "$LAB_VERS" = 3 ]; then
    module nfsv3
    start_v3_side
  fi
fi

# The runner says on the console when it listens. It is started again because without it nobody reaches this machine.
cd /
while :; do
  "$LAB_NODE_BIN" "$LAB_RUNNER" "$LAB_NODE" "$LAB_MANAGEMENT_IP" "$LAB_PORT"
  say 'the runner has ended'
  sleep 0.2
done
