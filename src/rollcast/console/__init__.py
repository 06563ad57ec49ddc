"""rollcast/console"""
