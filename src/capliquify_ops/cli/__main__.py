"""python -m capliquify_ops.cli"""

from capliquify_ops.cli.app import main

main()
