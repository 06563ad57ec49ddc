"""The ways in which a hint may travel; `ROLLCAST["DISPATCHER"]` names one."""
