"""rollcast/worker"""
