"""freezeproof: prove that a frozen TensorFlow graph computes what its checkpoint computes.

Importing this package imports no TensorFlow.
"""

from harness.criteria import Close, Exact, compare
from harness.equivalence import assert_equivalent
from harness.errors import BrokenModel, FreezeproofError, RequestError, Unsupported
from harness.signature import Signature, TensorSpec
from harness.subject import Candidate, Request, Subject
from harness.verdict import Report, Stage, Status, Verdict

__version__ = "0.1.0"

__all__ = [
    "BrokenModel",
    "Candidate",
    "Close",
    "Exact",
    "FreezeproofError",
    "Report",
    "Request",
    "RequestError",
    "Signature",
    "Stage",
    "Status",
    "Subject",
    "TensorSpec",
    "Unsupported",
    "Verdict",
    "assert_equivalent",
    "compare",
]
