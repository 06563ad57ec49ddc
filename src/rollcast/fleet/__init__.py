"""rollcast/fleet"""
