"""What trains any network: state, one step over a mesh of devices, a run in its folder."""
