"""python -m lti_mentor.cli"""

import sys

from lti_mentor.cli import main

if __name__ == "__main__":
    sys.exit(main())
