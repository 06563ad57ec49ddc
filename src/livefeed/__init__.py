"""livefeed"""
