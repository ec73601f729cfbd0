"""What the tests of the board definitions share."""

import pytest

from firmware import version


@pytest.fixture(scope="session", autouse=True)
def version_module():
    """The generated module that every manifest names; in a new checkout nothing has been built yet."""
    version.write_module()
