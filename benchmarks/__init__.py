"""Programs that measure and print; nothing here is asserted with a clock."""
