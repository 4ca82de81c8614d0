"""What everybody speaks of, as frozen data: steps, scenarios, transcripts, looks, rulings, contracts."""
