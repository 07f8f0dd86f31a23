"""The words of the gateway: messages, addresses, actions, facts, faults. No I/O, no logic of policy."""
