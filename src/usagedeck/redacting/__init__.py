"""What must not be kept is taken out of headers and bodies before anything is stored: by the names that secrets go by, by how
they look, and by the rules of a workspace.

It knows texts and nothing of events, workspaces or the store. Where it cannot be sure, it says so (`Unsure`), and the caller
keeps nothing of that body.
"""

from usagedeck.redacting.names import MARK
from usagedeck.redacting.redactor import Redactor, redactor
from usagedeck.redacting.rules import RULES, is_rule, read_rules
from usagedeck.redacting.trees import Unsure

__all__ = ["MARK", "RULES", "Redactor", "Unsure", "is_rule", "read_rules", "redactor"]
