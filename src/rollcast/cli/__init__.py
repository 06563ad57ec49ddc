"""rollcast/cli"""
