# Starts dockerd in this process's own namespaces, with another root folder.
#
#   bash start_docker_in_namespaces.sh ROOT WORK CGROUP [SHARED...]
#
# ROOT: a Debian root with dockerd; is not changed. WORK: takes the images and the socket.
# CGROUP: of all containers. SHARED: folders that dockerd sees, read-only, at the same place.
# The root is entered by pivot_root: after chroot, `docker exec` would see the machine's root.
set -e
root=$1 work=$2 cgroup=$3
shift 3
mkdir -p "$work/root"
mount -t tmpfs tmpfs "$work/root"
mkdir "$work/root/changed" "$work/root/overlay" "$work/root/new"
new=$work/root/new
mount -t overlay overlay "$new" \
  -o "lowerdir=$root,upperdir=$work/root/changed,workdir=$work/root/overlay"
mount -t proc proc "$new/proc"
mount -t sysfs sysfs "$new/sys"
mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"
mount --rbind /dev "$new/dev"
mount -t tmpfs tmpfs "$new/run"
for folder in "$@"; do
  mkdir -p "$new$folder"
  mount --bind -o ro "$folder" "$new$folder"
done
mkdir -p "$new$work" "$new/.old"
mount --bind "$work" "$new$work"
cd "$new"
pivot_root . .old
umount -l /.old
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root docker-init -- dockerd \
  --data-root "$work/data" --cgroup-parent "$cgroup" --host "unix://$work/docker.sock"
