# What is frozen: what all boards share, what a chip needs, and this board's own modules.
include("../common/manifest.py")
include("../../ports/esp32/manifest.py")
module("_board.py", base_path="modules")
