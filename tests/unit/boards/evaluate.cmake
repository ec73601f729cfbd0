# Reads a board's cmake files as MicroPython v1.28.0's ports/esp32/CMakeLists.txt does (10-60) and writes what they set,
# a line NAME=VALUE each, to the file RESULT.
# usage: cmake -DMICROPY_BOARD_DIR=… -DMICROPY_BOARD_VARIANT=… -DRESULT=… -P evaluate.cmake, in the build folder

include(${MICROPY_BOARD_DIR}/mpconfigboard.cmake)
if(MICROPY_BOARD_VARIANT)
    include(${MICROPY_BOARD_DIR}/mpconfigvariant_${MICROPY_BOARD_VARIANT}.cmake)
endif()

file(WRITE ${RESULT} "")
foreach(NAME IDF_TARGET SDKCONFIG_DEFAULTS MICROPY_DEF_BOARD MICROPY_FROZEN_MANIFEST USER_C_MODULES PROJECT_VER)
    file(APPEND ${RESULT} "${NAME}=${${NAME}}\n")
endforeach()
