"""What a hotspot shows of itself: status, metrics, frames, neighbours, a bundle for whoever helps."""
