"""Which alarms are emergencies: words that forms share, whatever the device calls them."""

# Other alarms (a broken antenna, a low battery) may stand for days; they are stored and counted like anything else.
EMERGENCIES = frozenset({"sos", "stolen", "collision", "rollover"})
