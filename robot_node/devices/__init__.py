"""A small interface per device, and the driver that talks to the real library. Knows no network and no other device."""
