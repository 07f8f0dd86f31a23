"""Two files of one segment: a log may lie in two directories (FORMAT.md, section 1.1)."""

import msgspec

from gateway.audit.verify_files import SegmentFile, content_of, open_segment
from gateway.audit.verify_line import LONGEST
from gateway.audit.verify_note import Head
from gateway.audit.verify_report import Broken, Finding, Verdict
from gateway.audit.verify_segment import Job, State, read_segment

_CHUNK = 1024 * 1024
_CHECKPOINT = b'"kind":"checkpoint"'


def check_copy(job: Job, copy: SegmentFile, before: State, head: Head | None) -> None:
    """Hold a copy against the segment that was read from the state `before` and ended in `head`.

    It must be its beginning. What a writer left behind that could not go on may end in a torn group.

    Raises:
        Broken: the two differ; a FORK if the copy's own groups are signed.
        OSError: a file cannot be read.
    """
    length, same = content_of(copy), _same(job.segment, copy)
    if not copy.sealed and (same == length or (job.live and same >= content_of(job.segment))):
        return
    own = msgspec.structs.replace(job, segment=copy, newest=False, live=False, memories=())
    part = read_segment(own, msgspec.structs.replace(before), lambda _: None)
    if part.end > same:
        why = "two files of one segment hold different signed groups"
        raise Broken(Finding(Verdict.FORK, why, copy.path.name, -1, copy.first))
    if not copy.sealed and not _has_checkpoint(copy, part.end):
        return
    if part.broken is not None:
        raise Broken(part.broken)
    if same < length or (length == content_of(job.segment) and part.state.head != head):
        raise Broken(Finding(Verdict.TAMPERED, "two files of one segment differ", copy.path.name, -1, copy.first))


def _has_checkpoint(segment: SegmentFile, position: int) -> bool:
    """Whether a checkpoint stands behind this byte: then what is there is no torn group, but was changed."""
    with open_segment(segment) as file:
        file.seek(position)
        while line := file.readline(LONGEST + 1):
            if _CHECKPOINT in line and line.endswith(b"\n"):
                return True
    return False


def _same(segment: SegmentFile, copy: SegmentFile) -> int:
    """How many bytes both begin with."""
    same = 0
    with open_segment(segment) as one, open_segment(copy) as other:
        while True:
            left, right = one.read(_CHUNK), other.read(_CHUNK)
            if left != right or not left:
                common = min(len(left), len(right))
                return same + next((n for n in range(common) if left[n] != right[n]), common)
            same += len(left)
