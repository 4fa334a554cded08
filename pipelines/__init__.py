"""The commands: `vensurv`, or `python -m pipelines`, lists them."""

import sys

# Python sets this name while it looks for the module that `python -m` is to run.
if sys.argv[:1] == ["-m"]:
    from pipelines.shadows import leave_working_folder, refuse_shadows

    leave_working_folder()
    refuse_shadows()
