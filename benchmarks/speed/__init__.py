"""Speed, round trips and bytes against what else there is: every number from one run, one server, the same work.

numpy multiplies in one thread here: its others spin for a while after each product, and that was counted as the time of
whoever was measured next.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
