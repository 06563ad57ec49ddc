"""rollcast/access"""
