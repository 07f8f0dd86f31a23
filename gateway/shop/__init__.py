"""A sample shop for the demo: an ordinary web application that asks for and hands out too much.

It knows nothing of the gateway and imports nothing of it. What it collects (birth date, device,
user agent), keeps (internal notes) and echoes (everybody's e-mail in the list of orders) is on
purpose: it stands for the applications that a privacy gateway is put in front of.
"""
