# What all boards share at configure time: the version, the partition table, the frozen code and the C module.
#
# The last line of a board's mpconfigboard.cmake includes this file, after it has set IDF_TARGET and SDKCONFIG_DEFAULTS.
# A variant's mpconfigvariant_NAME.cmake is read after it (MicroPython v1.28.0, ports/esp32/CMakeLists.txt:38-43) and
# may append to or replace what is set here. Nothing here needs this project's Makefile: upstream's own
#   make -C ports/esp32 BOARD_DIR=<this checkout>/boards/ESP32 [BOARD_VARIANT=QEMU]
# builds the same image.

get_filename_component(PROJECT_ROOT ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
set(FIRMWARE_VERSION_MODULE ${PROJECT_ROOT}/build/generated/_firmware_version.py)

# --- The version, from git, by the code that the desktop board uses too. It writes the module that carries it.
find_program(FIRMWARE_PYTHON NAMES python3 python)
if(FIRMWARE_PYTHON)
    execute_process(
        COMMAND ${FIRMWARE_PYTHON} -m firmware version --write
        WORKING_DIRECTORY ${PROJECT_ROOT}
        RESULT_VARIABLE FIRMWARE_VERSION_RESULT
        OUTPUT_VARIABLE FIRMWARE_VERSION
        ERROR_VARIABLE FIRMWARE_VERSION_PROBLEM
        OUTPUT_STRIP_TRAILING_WHITESPACE
        ERROR_STRIP_TRAILING_WHITESPACE
    )
else()
    set(FIRMWARE_VERSION_RESULT 1)
    set(FIRMWARE_VERSION_PROBLEM "no python3 in PATH")
endif()
if(NOT FIRMWARE_VERSION_RESULT EQUAL 0)
    file(STRINGS ${PROJECT_ROOT}/firmware/version.py FIRMWARE_VERSION REGEX "^BASE = ")
    string(REGEX REPLACE "^BASE = \"([^\"]+)\"$" "\\1" FIRMWARE_VERSION "${FIRMWARE_VERSION}")
    file(WRITE ${FIRMWARE_VERSION_MODULE} "VERSION = \"${FIRMWARE_VERSION}\"\n")
    message(WARNING "'python3 -m firmware version' failed in ${PROJECT_ROOT}: ${FIRMWARE_VERSION_PROBLEM}\n"
        "The image says version ${FIRMWARE_VERSION}, whatever commit it is built from.")
elseif(FIRMWARE_VERSION_PROBLEM)
    message(WARNING "${FIRMWARE_VERSION_PROBLEM}")
endif()

# os.uname().machine and the REPL's banner are "<board name> with <MCU name>" (extmod/modos.c:108, py/mpconfig.h:2244).
list(APPEND MICROPY_DEF_BOARD "MICROPY_HW_BOARD_NAME=\"microAsyncWeb ${FIRMWARE_VERSION}\"")
# Goes into the application image's description, where an update reads it; ESP-IDF takes a PROJECT_VER that is set
# before project() (tools/cmake/project.cmake:694-736). A sdkconfig key would stick in the build folder's sdkconfig.
set(PROJECT_VER ${FIRMWARE_VERSION})

# Configure again when there is a new commit, or when the host tools wrote another version.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${FIRMWARE_VERSION_MODULE})
if(EXISTS ${PROJECT_ROOT}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_ROOT}/.git/logs/HEAD)
endif()

# --- The partition table: the board's own, or the one that all boards with 4 MB share. sdkconfig fragments are put
# together without expansion (CMakeLists.txt:54-60), so the absolute path has to be written into one; ESP-IDF takes such
# a path as it is (components/partition_table/project_include.cmake:26-31).
set(PARTITIONS_CSV ${MICROPY_BOARD_DIR}/partitions.csv)
if(NOT EXISTS ${PARTITIONS_CSV})
    set(PARTITIONS_CSV ${CMAKE_CURRENT_LIST_DIR}/partitions.csv)
endif()
file(WRITE ${CMAKE_BINARY_DIR}/sdkconfig.partitions
    "CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${PARTITIONS_CSV}\"\n")
list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_BINARY_DIR}/sdkconfig.partitions)

# --- Frozen Python, and the C module with its linker options.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
list(APPEND USER_C_MODULES ${PROJECT_ROOT}/ports/esp32/micropython.cmake)
