"""What Python runs in place of the program in a process that was started afresh; see `child`.

A module for itself, because Python warns when it is to run one that its package has imported before.
"""

if __name__ == "__mp_main__":
    from minigrad.run import child

    child.main(globals())
