"""rollcast/config"""
