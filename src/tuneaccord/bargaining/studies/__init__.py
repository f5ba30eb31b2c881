"""Questions about a bargain: sensitivities, maps of regimes, uncertain curves, scenarios."""
