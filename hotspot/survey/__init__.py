"""Measurements of other networks' signal, made while moving: input for the need map, signed by the device.

`readings` reads what phones and loggers write, `rows` turns it into lines `farfield map import` understands,
`signature` signs and checks the file, `taking` records on a phone. Positions become the centre of their H3 cell of
resolution 9 before anything is written for others; quiet zones are left out.
"""
