"""The pure core: no clock, no I/O. `machine` is the life of one assistant, `room_health` keeps rooms served."""
