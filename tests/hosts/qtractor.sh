#!/bin/sh
# Interface: opens a session in Qtractor by its keys, on the display that is set: `play` it for a moment, or `export`
# it; then save it under another name and quit. Words: what to do, the session, the name to save under, the stand-in for
# the system's MIDI sequencer. What is exported goes where Qtractor puts it: beside the session, numbered.
set -eu
what=$1
session=$2
saved=$3
sequencer=$4
export LC_ALL=C.UTF-8 XDG_RUNTIME_DIR="$HOME"

jackd --no-realtime -d dummy --rate 48000 --period 1024 >"$HOME/jackd.log" 2>&1 &
jackd=$!
qtractor=
trap 'kill -9 $qtractor 2>/dev/null || true; kill $jackd; wait' EXIT
sleep 2
LD_PRELOAD=$sequencer qtractor "$session" >"$HOME/qtractor.log" 2>&1 &
qtractor=$!

# There is no window manager: who gets the keys is said here.
window() {
    for _ in $(seq 300); do
        found=$(xdotool search --onlyvisible --class qtractor 2>/dev/null | tail -n 1)
        if [ -n "$found" ] && xdotool getwindowname "$found" | grep -q "$1"; then
            xdotool windowfocus "$found"
            sleep 1
            return
        fi
        kill -0 $qtractor
        sleep 0.2
    done
    echo "no window with $1 in its name" >&2
    exit 1
}

# Loading goes on for a moment after the window is there.
window "Qtractor"
sleep 5
window "Qtractor"
case $what in
play)
    xdotool key space
    sleep 4
    xdotool key space
    ;;
export)
    xdotool key ctrl+e
    window "Export"
    # The one bus in the list, and then OK.
    eval "$(xdotool getwindowgeometry --shell "$found")"
    xdotool mousemove $((X + 265)) $((Y + 147)) click 1
    sleep 1
    xdotool key Return
    for _ in $(seq 300); do
        found=$(xdotool search --onlyvisible --class qtractor | tail -n 1)
        xdotool getwindowname "$found" | grep -q Export || break
        sleep 0.2
    done
    ;;
esac
window "Qtractor"
xdotool key ctrl+shift+s
window "Save"
xdotool key ctrl+a
xdotool type "$saved"
xdotool key Return
window "$(basename "$saved")"
xdotool key ctrl+q
for _ in $(seq 150); do
    kill -0 $qtractor 2>/dev/null || exit 0
    sleep 0.2
done
echo "it does not end" >&2
exit 1
