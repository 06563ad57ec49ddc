"""rollcast"""
