#!/bin/bash
# A kernel that has no hook for what goes out: tcx is not asked for, and the modules of clsact cannot be loaded. Must come
# before anything else loads them. Said, without flows; refused where the ruleset needs the hook; and mended by the next
# apply once they can be loaded.
export SLUICE_EGRESS_HOOK=clsact SLUICE_STATE_DIR=/tmp/no-egress
modprobe=$(cat /proc/sys/kernel/modprobe)
# what comes after needs its modules, whatever happens here
trap 'echo "$modprobe" >/proc/sys/kernel/modprobe' EXIT
mkdir -p "$SLUICE_STATE_DIR"
rules='version: 1
interfaces: [eth0]
inbound: { default: deny, ssh: { port: 22, from: anyone } }'
echo "$rules" >/tmp/plain.yaml
printf '%s\noutbound: { default: deny }\n' "$rules" >/tmp/outbound.yaml

fail() {
    echo "no-egress: $1: $output"
    exit 1
}
# apply FILE STATUS WORDS
apply() {
    output=$(node dist/cli/main.js --netns no-egress apply "$1" 2>&1)
    local status=$?
    [ $status = "$2" ] || fail "apply $1 ended with $status, not $2"
    [[ $output == *"$3"* ]] || fail "apply $1 did not say \"$3\""
}
shows() {
    output=$(node dist/cli/main.js --netns no-egress status 2>&1)
    [[ $output == *"$1"* ]] || fail "status did not say \"$1\""
}

ip netns add no-egress
ip -n no-egress link add eth0 type veth peer name eth1
ip -n no-egress link set eth0 up
echo /bin/false >/proc/sys/kernel/modprobe
apply /tmp/outbound.yaml 1 'cannot be filtered: this kernel has neither tcx nor clsact'
apply /tmp/plain.yaml 0 'opens no flows'
shows 'filtered: eth0 (native)'
echo "$modprobe" >/proc/sys/kernel/modprobe
apply /tmp/outbound.yaml 0 'applied: '
shows 'filtered: eth0 (native, out by clsact)'
output=$(node dist/cli/main.js --netns no-egress disable -y 2>&1) || fail 'disable'
output=$(ip netns exec no-egress tc qdisc show dev eth0)
[[ $output != *clsact* ]] || fail 'a discipline was left'
ip netns del no-egress
echo 'no-egress: refused where it is needed, said where it is not, mended by the next apply'
