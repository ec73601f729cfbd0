"""Tests of the board definitions: tables, sdkconfig, cmake, manifests, and the host tool that reads them."""
