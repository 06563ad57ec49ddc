"""rollcast/remote"""
