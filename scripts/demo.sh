# What a container can tell about itself, with nothing but sh, cat, ls, readlink and touch. Run by scripts/demo.ts as the container's pid 1.
# BOLD, DIM and OFF are the terminal's codes or empty; HOST_NAMESPACES is "pid=pid:[1] mnt=mnt:[2] …"; CAPABILITIES their names in the order of their bits.

heading() { printf '\n%s%s%s\n' "$BOLD" "$1" "$OFF"; }
row() { printf '  %-14s %s\n' "$1" "$2"; }
status() { while read -r key value; do [ "$key" = "$1:" ] && echo "$value"; done < /proc/self/status; }
first() { for file; do [ -r "$file" ] && read -r line < "$file" && echo "$line" && return; done; echo 'not limited here'; }

heading 'Who am I'
row 'pid' "$$, and all processes here: $(cd /proc && echo [0-9]*)"
row 'command' "$(tr '\0' ' ' < /proc/1/cmdline 2>/dev/null || cat /proc/1/comm)"
row 'hostname' "$(cat /proc/sys/kernel/hostname)"
row 'user' "uid $(id -u 2>/dev/null || status Uid), which the host sees as $(set -- $(cat /proc/self/uid_map); [ "$3" = 4294967295 ] && echo 'the same' || echo "uid $2")"
row 'root' "$(ls / | while read -r name; do printf '%s ' "$name"; done)"

heading 'Namespaces (container, host)'
for pair in $HOST_NAMESPACES; do
  name=${pair%%=*}
  mine=$(readlink "/proc/self/ns/$name")
  [ "$mine" = "${pair#*=}" ] && note="${DIM}shared with the host$OFF" || note="new; the host's is ${pair#*=}"
  row "$name" "$(printf '%-20s %s' "$mine" "$note")"
done

heading 'Mounts'
while read -r source point type options rest; do printf '  %-28s %-8s %s%s%s\n' "$point" "$type" "$DIM" "$options" "$OFF"; done < /proc/self/mounts

heading 'Capabilities'
effective=$(status CapEff)
mask=$((0x$effective))
list=
bit=0
for name in $CAPABILITIES; do
  [ $(((mask >> bit) & 1)) = 1 ] && list="$list $name"
  bit=$((bit + 1))
done
row 'effective' "$effective =${list:- none}"
row 'no_new_privs' "$(status NoNewPrivs)"

heading 'Limits'
row 'open files' "$(ulimit -n)"
row 'memory' "$(first /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max) bytes"
row 'processes' "$(first /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max)"

heading 'What it may not do'
try() { what=$1; shift; if error=$( ("$@") 2>&1 ); then row "$what" 'it could!'; else row "$what" "${error##*: }"; fi; }
try 'write to /' touch /file
try 'set a sysctl' sh -c 'echo x > /proc/sys/kernel/hostname'
try 'read kcore' sh -c 'read -r line < /proc/kcore && [ -n "$line" ] || { echo ": empty: it is masked"; exit 1; }'
echo
