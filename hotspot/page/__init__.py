"""The owner's page on 127.0.0.1: what the command line says, to look at. It loads nothing from anywhere else.

`render` makes HTML from the same answer `status` prints, `chart` draws earnings, `serve` puts it on the process's own
server. It is whole without JavaScript, which only fetches it again every few seconds and shows local times.
"""
