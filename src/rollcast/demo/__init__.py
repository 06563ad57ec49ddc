"""rollcast/demo"""
