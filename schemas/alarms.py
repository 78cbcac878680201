"""Which alarms are emergencies: words that forms share, whatever the device calls them."""

# Other alarms (a broken antenna, a low battery) may stand for days; they are stored and counted like anything else.
EMERGENCIES = frozenset({"sos", "stolen", "collision", "rollover"})

SOS = "sos"  # the one that opens an incident: somebody in the vehicle needs help, whatever else is to be done
SOS_CLASS = "99001"  # its class; 98 and 99 are the city's own extensions of the catalogue (domain.md 2.1)
