"""The auditor's daemon: admission, inbox, evidence, epoch machine, engine, settlement, audit."""
