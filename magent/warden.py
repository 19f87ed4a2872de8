"""Who ends the children of a magent that is killed: a shell that waits for the end of a pipe.

Whatever ends this process, `kill -9` too, ends the pipe; then the groups that it was told of, with the rest of their
sessions and whoever descends from them, are asked to end, and a second later they are ended. The system's own way, a
signal at the death of the parent, reaches the child alone, not what it started, and comes when a mere thread ends.
"""

from __future__ import annotations

import contextlib
import os
import threading

_SHELL = "/bin/sh"
_SCRIPT = r"""# ends the children of a magent that was killed
trap '' HUP INT TERM QUIT
live=' '
while read -r what pid; do
    case $what$live in
        +*) live="$live$pid " ;;
        -*" $pid "*) live="${live%% $pid *} ${live#* $pid }" ;;
    esac
done
[ "$live" = ' ' ] && exit
kin=$live others=
look() {
    grown=1
    while [ "$grown" ]; do
        grown=
        for stat in /proc/[0-9]*/stat; do
            read -r line <"$stat" || continue
            pid=${stat#/proc/} pid=${pid%/stat}
            case $kin in *" $pid "*) continue ;; esac
            set -- ${line##*) }
            case $kin in *" $2 "* | *" $4 "*) ;; *) continue ;; esac
            kin="$kin$pid " grown=1
            case $live in *" $3 "*) ;; *) others="$others $pid" ;; esac
        done
    done
}
for number in TERM CONT KILL; do
    [ $number = KILL ] && sleep 1
    [ $number = CONT ] || look
    for pid in $live; do kill -s $number -- "-$pid"; done
    for pid in $others; do kill -s $number "$pid"; done
done
"""


class Warden:
    """Started with the first child there is to watch; ends by itself. Where there is no shell, nobody is watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe = -1
        self._pid = 0
        self._watched: set[int] = set()

    def watch(self, leader: int) -> None:
        with self._lock:
            self._watched.add(leader)
            self._tell(f"+ {leader}\n")

    def let_go(self, leader: int) -> None:
        """Idempotent."""
        with self._lock:
            if leader in self._watched:
                self._watched.discard(leader)
                self._tell(f"- {leader}\n")

    def _tell(self, text: str) -> None:
        if self._pipe >= 0:
            try:
                os.write(self._pipe, text.encode())
                return
            except OSError:  # somebody has ended it
                self._leave()
        self._begin()

    def _begin(self) -> None:
        if not self._watched:
            return
        end, self._pipe = os.pipe()
        nothing = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_WRONLY, 0) for handle in (1, 2)]
        actions = [(os.POSIX_SPAWN_DUP2, end, 0), *nothing]
        environment = {"PATH": "/usr/bin:/bin"}
        try:
            self._pid = os.posix_spawn(_SHELL, [_SHELL, "-c", _SCRIPT], environment, file_actions=actions, setpgroup=0)
            os.write(self._pipe, "".join(f"+ {leader}\n" for leader in self._watched).encode())
        except OSError:
            self._leave()
        finally:
            os.close(end)

    def _leave(self) -> None:
        os.close(self._pipe)
        self._pipe = -1
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)
            self._pid = 0

    def forget(self) -> None:
        """In a copy of this process: the children are not its own, and the pipe must end without it."""
        self._lock = threading.Lock()
        self._watched = set()
        self._pid = 0
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


WARDEN = Warden()
os.register_at_fork(after_in_child=WARDEN.forget)
