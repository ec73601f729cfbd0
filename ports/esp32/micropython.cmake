# The user C module of this port, see README.md. A board names it: list(APPEND USER_C_MODULES .../micropython.cmake).
# Read by py/usermod.cmake, after ports/esp32/esp32_common.cmake has set MICROPY_DIR and sdkconfig's CONFIG_ variables

# Every wrap below relies on who calls whom in this version.
set(MAW_MICROPYTHON 1.28.0)
foreach(MAW_PART MAJOR MINOR MICRO PRERELEASE)
    file(STRINGS ${MICROPY_DIR}/py/mpconfig.h MAW_LINE REGEX "^#define MICROPY_VERSION_${MAW_PART} ")
    string(REGEX REPLACE "^[^ ]+ [^ ]+ +([0-9]+).*" "\\1" MAW_${MAW_PART} "${MAW_LINE}")
endforeach()
set(MAW_FOUND "${MAW_MAJOR}.${MAW_MINOR}.${MAW_MICRO}")
if(MAW_PRERELEASE)
    string(APPEND MAW_FOUND "-preview")
endif()
if(NOT MAW_FOUND STREQUAL MAW_MICROPYTHON)
    message(FATAL_ERROR "${MICROPY_DIR} is MicroPython v${MAW_FOUND}, but ${CMAKE_CURRENT_LIST_DIR} wraps functions of "
        "v${MAW_MICROPYTHON}. Use v${MAW_MICROPYTHON} (make sdk gets it), or see 'A new MicroPython' in its README.md.")
endif()
# Set by ESP-IDF (tools/cmake/version.cmake:5).
if(NOT "$ENV{IDF_VERSION}" MATCHES "^5\\.5\\.")
    message(WARNING "ESP-IDF v$ENV{IDF_VERSION}: ports/esp32 was written for ESP-IDF v5.5.1.")
endif()

# One __wrap_ function each, in the file named.
set(MAW_WRAPS
    xTaskCreatePinnedToCore # core.c
    mp_thread_mutex_lock # gil.c
    mp_thread_mutex_unlock # gil.c
    mp_sched_lock # gil.c
    mp_sched_unlock # gil.c
    mp_os_dupterm_rx_chr # dupterm.c
    mp_thread_finish # unwind.c
    mp_thread_deinit # unwind.c
    esp_exceptions_helper # wlan.c
    mp_hal_stdin_rx_chr # improvserial.c
    mp_hal_stdio_poll # improvserial.c
    pyexec_frozen_module # usbconsole.c
)
if(CONFIG_ETH_USE_OPENETH AND CONFIG_ETH_USE_ESP32_EMAC)
    list(APPEND MAW_WRAPS
        esp_eth_mac_new_esp32 # openeth.c
    )
endif()

add_library(usermod_threadcore INTERFACE)
target_sources(usermod_threadcore INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/core.c
    ${CMAKE_CURRENT_LIST_DIR}/dupterm.c
    ${CMAKE_CURRENT_LIST_DIR}/gil.c
    ${CMAKE_CURRENT_LIST_DIR}/improvserial.c
    ${CMAKE_CURRENT_LIST_DIR}/openeth.c
    ${CMAKE_CURRENT_LIST_DIR}/retained.c
    ${CMAKE_CURRENT_LIST_DIR}/start.c
    ${CMAKE_CURRENT_LIST_DIR}/threadcore.c
    ${CMAKE_CURRENT_LIST_DIR}/unwind.c
    ${CMAKE_CURRENT_LIST_DIR}/usbconsole.c
    ${CMAKE_CURRENT_LIST_DIR}/wlan.c
)
foreach(MAW_WRAP ${MAW_WRAPS})
    # --undefined: the linker looks for the function even if the library that has it comes late.
    target_link_options(usermod_threadcore INTERFACE "-Wl,--wrap=${MAW_WRAP}" "-Wl,--undefined=__wrap_${MAW_WRAP}")
endforeach()
target_link_libraries(usermod INTERFACE usermod_threadcore)
