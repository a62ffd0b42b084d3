"""Live video and sound over WebRTC, signalled over MQTT. Knows sources and sinks, not the hardware behind them."""
