"""Pure core: no clock, no I/O. `machine` is the lifecycle of one assistant, `room_health` decides about rooms."""
