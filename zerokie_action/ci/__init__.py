"""Where the run takes place: its log, groups, masks, annotations, outputs, state."""

from zerokie_action.ci.base import CI
from zerokie_action.ci.detect import detect

__all__ = ["CI", "detect"]
