"""The board's page and the web installer in a real browser."""
